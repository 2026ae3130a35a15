"""Files of users: read without waiting and within bounds, recognised by content, written whole or not at all."""
