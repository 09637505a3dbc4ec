"""Which browser somebody uses, in words from a list.

Whoever signs up with another's address chooses the User-Agent that the letter would show. Only
our own words reach it, so nobody writes a lure or a link into our mail.
"""

from ipaddress import ip_address

# The first that matches: most call themselves Safari and Chrome as well.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str | None) -> str:
    """Return words such as "Firefox on Linux", or "an unknown browser"."""
    said = user_agent or ""
    browser = next((name for mark, name in _BROWSERS if mark in said), "an unknown browser")
    system = next((name for mark, name in _SYSTEMS if mark in said), None)
    return f"{browser} on {system}" if system else browser


def network_name(address: str | None) -> str:
    """Return an IP address as it is usually written, or "unknown"."""
    try:
        return str(ip_address(ip_address(address or "").packed))  # without a zone: free text
    except ValueError:
        return "unknown"
