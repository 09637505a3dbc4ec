"""Mail: letters are rows of the transaction that needs them, and a worker carries them."""
