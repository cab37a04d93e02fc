"""Images: folders and archives of them, their labels, and their pixels as an encoder takes them."""
