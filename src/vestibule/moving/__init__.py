"""Moving in with the accounts of another system, passwords and all, and moving out again."""
