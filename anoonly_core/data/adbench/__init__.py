"""Files of ADBench: manifest, cache and download."""
