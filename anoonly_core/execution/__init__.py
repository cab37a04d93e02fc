"""Worker processes: the plan of a sweep, the pool, the tasks and Dask clusters."""
