"""Own images and texts: raw files become features by an encoder that is not trained here."""
