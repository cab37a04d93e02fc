"""ADBench's files: the manifest, the cache and the download."""
