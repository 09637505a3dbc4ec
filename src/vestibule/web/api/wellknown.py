"""The public keys with which anybody verifies our access tokens."""

from quart import Blueprint, jsonify
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.extension import current_vestibule
from vestibule.tokens import keyring
from vestibule.web import guard, identity
from vestibule.web.answers import speak
from vestibule.web.api.surface import ANSWERS

# A key is published long before it signs: nobody needs to look more often.
_CACHED = "public, max-age=300"


def blueprint() -> Blueprint:
    """Return `/.well-known/jwks.json` (RFC 7517, 5), at the root of whatever `iss` names."""
    wellknown = Blueprint("vestibule_wellknown", __name__)
    wellknown.after_request(guard.add_headers)
    wellknown.record_once(identity.needed)
    speak(wellknown, ANSWERS)

    @wellknown.get("/.well-known/jwks.json")
    @hide
    async def jwks() -> ResponseReturnValue:
        """Publish the keys that verify access tokens"""
        published = await current_vestibule().run(keyring.published, reading=True)
        answer = jsonify(keys=published)
        answer.headers["Content-Type"] = "application/jwk-set+json"
        answer.headers["Cache-Control"] = _CACHED
        answer.headers["Access-Control-Allow-Origin"] = "*"
        return answer

    return wellknown
