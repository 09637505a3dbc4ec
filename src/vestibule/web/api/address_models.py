"""What goes into the routes of addresses."""

from vestibule.web.api.models import Body, Password, Typed


class AddressBody(Body):
    email: Typed


class AddressProofBody(Body):
    """Either the letter's `code`, or its link's `token`; that with the `password` if signed out."""

    code: Typed | None = None
    token: Typed | None = None
    password: Password | None = None


class UndoBody(Body):
    token: Typed
