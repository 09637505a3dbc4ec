"""Keys for programs: a secret that its owner hands to one, and what it may be used for."""
