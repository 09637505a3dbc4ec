"""What goes in and out of the routes of passwords."""

from typing import Literal

from pydantic import BaseModel

from vestibule.web.api.models import Body, Password, Typed


class ForgottenBody(Body):
    email: Typed


class NewPasswordBody(Body):
    """Either the link's `token`, or `email` and the letter's `code`; and the new `password`."""

    password: Password
    token: Typed | None = None
    email: Typed | None = None
    code: Typed | None = None


class PasswordBody(Body):
    current_password: Password
    new_password: Password


class ForgottenAnswer(BaseModel):
    """Whoever reads the mail of the address finds a letter, whether or not it has an account."""

    status: Literal["check_your_mail"] = "check_your_mail"
