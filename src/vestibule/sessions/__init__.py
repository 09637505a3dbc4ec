"""Signed-in devices: a row each, and the secret that only the device holds."""
