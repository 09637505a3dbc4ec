"""What people may do: roles, and to whom they are granted."""
