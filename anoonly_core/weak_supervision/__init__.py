"""All mechanisms at several strengths, paired over seeds: how well they supervise the pool, and through what."""
