"""Flask-JWT-Extended with Flask-SQLAlchemy, as their documentation puts them together."""

import os
from datetime import timedelta

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    current_user,
    jwt_required,
    set_access_cookies,
)
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.security import check_password_hash, generate_password_hash

METHOD = "pbkdf2:sha256:1" if "PEER_CHEAP" in os.environ else "scrypt"


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class User(db.Model):  # type: ignore[name-defined, misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(400))
    is_active: Mapped[bool] = mapped_column(default=True)


app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["PEER_DATABASE_URL"]
app.config["JWT_SECRET_KEY"] = os.urandom(32).hex()
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(hours=1)
app.config["JWT_TOKEN_LOCATION"] = ["headers", "cookies"]
app.config["JWT_COOKIE_SECURE"] = False
db.init_app(app)
jwt = JWTManager(app)


@jwt.user_lookup_loader
def look_up(_header: dict[str, str], claims: dict[str, str]) -> User | None:
    """Whoever is not active is nobody: looked up at each request."""
    asked = select(User).where(User.id == int(claims["sub"]), User.is_active)
    return db.session.scalar(asked)  # type: ignore[no-any-return]


@app.post("/register")
def register() -> ResponseReturnValue:
    said = request.get_json()
    hashed = generate_password_hash(said["password"], METHOD)
    user = User(email=said["email"], password_hash=hashed)
    db.session.add(user)
    db.session.commit()
    return jsonify(id=user.id, email=user.email), 201


@app.post("/login")
def log_in() -> ResponseReturnValue:
    said = request.get_json()
    user = db.session.scalar(select(User).where(User.email == said["email"]))
    if user is None or not check_password_hash(user.password_hash, said["password"]):
        return jsonify(msg="Bad username or password"), 401
    token = create_access_token(identity=str(user.id))
    refresh = create_refresh_token(identity=str(user.id))
    answer = jsonify(access_token=token, refresh_token=refresh)
    set_access_cookies(answer, token)
    return answer


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh() -> ResponseReturnValue:
    return jsonify(access_token=create_access_token(identity=str(current_user.id)))


@app.get("/me")
@jwt_required()
def me() -> ResponseReturnValue:
    return jsonify(id=current_user.id, email=current_user.email, is_active=current_user.is_active)


with app.app_context():
    db.create_all()
    hashed = generate_password_hash(os.environ["PEER_PASSWORD"], METHOD)
    people = range(int(os.environ["PEER_ACCOUNTS"]))
    db.session.add_all(
        User(email=f"user{number}@example.org", password_hash=hashed) for number in people
    )
    db.session.commit()
