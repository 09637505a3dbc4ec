"""Dialects: what the front ends of well-known Flask set-ups speak, over our flows, word by word."""
