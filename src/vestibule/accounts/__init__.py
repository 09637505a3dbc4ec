"""Who somebody is: signing up, proving an address, logging in."""
