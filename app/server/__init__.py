"""State shared by all sessions: jobs, caches, queues and uploaded tables."""
