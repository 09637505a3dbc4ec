"""Access tokens and the keys that sign them; the form of refresh tokens."""
