"""Settings: the only reader of the environment.

One frozen value, built once and handed down, so that nothing is configured by import and a test can
say what it needs. All faults are reported together, because an operator should not have to restart
five times to learn of five typing errors.
"""

import os
import secrets
import stat
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.headerregistry import Address, AddressHeader
from email.policy import SMTP
from pathlib import Path
from typing import Literal, cast
from urllib.parse import parse_qs, unquote, urlsplit

from environs import EnvError, FileAwareEnv, validate

Profile = Literal["standard", "small"]
Tls = Literal["implicit", "starttls", "none"]

DEFAULT_SCHEDULE = (0.0, 5.0, 30.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Seconds between a webhook's attempts: three days and a half in all (Standard Webhooks 1.0, retry table)."""

SHORTEST_SECRET = 32


LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

SMTP_URL_SHAPE = (
    "must be smtp://host or smtps://host, with user:password@ before and :port behind it; "
    "in a password / is written %2F, ? %3F, # %23, @ %40 and % %25"
)


class SettingsError(Exception):
    """The environment does not make a valid configuration; the message has one line per fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decides, with the defaults of a single small machine."""

    home: Path
    database_url: str
    redis_url: str | None = field(default=None, repr=False)
    port: int = 8080
    host: str = "127.0.0.1"
    public_url: str = "http://localhost:8080"
    trusted_proxies: int = 0
    secret: bytes = field(repr=False)
    profile: Profile = "standard"
    models: Path | None = None
    log_level: str = "info"
    webhook_schedule: tuple[float, ...] = DEFAULT_SCHEDULE
    webhook_allow: tuple[str, ...] = ()
    webhook_timeout: float = 15.0
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    redis_prefix: str = "tidegate:"
    metrics_public: bool = False
    failpoints: str = ""

    @property
    def small(self) -> bool:
        """Tell whether the stack has to fit a machine with 1 GB."""
        return self.profile == "small"

    @property
    def models_folder(self) -> Path:
        """Where the models lie that were fetched: below the home, or where several machines share them."""
        return self.models or self.home / "models"

    @classmethod
    def from_env(cls) -> "Settings":
        """Read the settings from the environment; raises SettingsError naming every fault.

        A name with ``_FILE`` behind it names a file that holds the value, as orchestrators hand secrets over.
        """
        env = FileAwareEnv(eager=False, strip_whitespace=True)
        try:
            return cls._read(env)
        except ValueError as unreadable:  # a file that is named and not there
            raise SettingsError(str(unreadable)) from unreadable

    @classmethod
    def _read(cls, env: FileAwareEnv) -> "Settings":
        home = Path(env.str("TIDEGATE_HOME", ".tidegate") or ".tidegate").resolve()
        port = env.int("TIDEGATE_PORT", 8080, validate=validate.Range(1, 65535))
        database_url = env.str("DATABASE_URL", "") or f"sqlite:///{home / 'data' / 'tidegate.db'}"
        redis_url = env.str("REDIS_URL", "") or None
        public_url = (env.str("PUBLIC_URL", "") or f"http://localhost:{port}").rstrip("/")
        trusted_proxies = env.int("TRUSTED_PROXIES", 0, validate=validate.Range(0, 8))
        host = env.str("TIDEGATE_HOST", "127.0.0.1")
        profile = env.str("TIDEGATE_PROFILE", "standard", validate=validate.OneOf(["standard", "small"]))
        models = env.str("TIDEGATE_MODELS", "")
        log_level = env.str("TIDEGATE_LOG_LEVEL", "info", validate=validate.OneOf(["debug", "info", "warning", "error"]))
        schedule = env.list("TIDEGATE_WEBHOOK_SCHEDULE", list(DEFAULT_SCHEDULE), subcast=float)
        webhook_allow: list[str] = env.list("TIDEGATE_WEBHOOK_ALLOW", []) or []
        webhook_timeout = env.float("TIDEGATE_WEBHOOK_TIMEOUT", 15.0, validate=validate.Range(0.1, 25))
        smtp_url = env.str("SMTP_URL", "") or None
        mail_from = env.str("MAIL_FROM", "") or None
        metrics_public = env.bool("TIDEGATE_METRICS_PUBLIC", False)
        secret = env.str("TIDEGATE_SECRET", "")
        failpoints = env.str("TIDEGATE_FAILPOINTS", "")
        faults = []
        try:
            env.seal()
        except EnvError as error:
            faults = _each_fault(error)
        faults += _cross_checks(database_url or "", redis_url, public_url or "", secret or "")
        faults += _mail_faults(smtp_url, mail_from)
        if faults:
            raise SettingsError("\n".join(faults))
        return cls(
            home=home,
            host=host,
            port=port,
            database_url=database_url,
            redis_url=redis_url,
            public_url=public_url,
            trusted_proxies=trusted_proxies,
            profile=cast("Profile", profile),
            models=Path(models).resolve() if models else None,
            log_level=log_level,
            webhook_schedule=tuple(schedule),
            webhook_allow=tuple(webhook_allow),
            webhook_timeout=webhook_timeout,
            smtp_url=smtp_url,
            mail_from=mail_from,
            metrics_public=metrics_public,
            secret=secret.encode() if secret else master_key(home),
            failpoints=failpoints,
        )

    def make_directories(self) -> None:
        """Create the home with its folders for data, logs and keys, readable by their owner alone."""
        for folder in (self.home, self.home / "data", self.home / "logs", self.home / "keys", self.home / "run"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(stat.S_IRWXU)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed in, how its connection is protected, and who signs in there."""

    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str) -> "MailServer":
        """Read ``smtps://user:password@host:465`` or ``smtp://...:587``; raises ValueError.

        smtp means STARTTLS, and no mail where the server has none: only to this machine, or with ``?tls=none``, it goes in clear.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # Its own words would quote the part of a password that looks like a port.
            raise ValueError(SMTP_URL_SHAPE) from None
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path.strip("/") or parts.fragment:
            raise ValueError(SMTP_URL_SHAPE)
        asked = parse_qs(parts.query, keep_blank_values=True)
        if asked not in ({}, {"tls": ["none"]}) or (asked and parts.scheme == "smtps"):
            raise ValueError("may end in ?tls=none after smtp://, and in nothing else")
        if (parts.username is None) != (parts.password is None):
            raise ValueError("needs a password with the user, or neither")
        tls: Tls = "implicit" if parts.scheme == "smtps" else "none" if asked or parts.hostname in LOOPBACK else "starttls"
        if parts.username is not None and tls == "none" and parts.hostname not in LOOPBACK:
            raise ValueError("would send the password in clear; leave out ?tls=none")
        if not unquote((parts.username or "") + (parts.password or "")).isascii():
            raise ValueError("can sign in with ASCII characters only")
        return cls(
            host=parts.hostname,
            port=port or {"implicit": 465, "starttls": 587, "none": 25}[tls],
            tls=tls,
            user=unquote(parts.username) if parts.username is not None else None,
            password=unquote(parts.password) if parts.password is not None else None,
        )


def mailbox(shown: str) -> Address:
    """Return one mailbox such as ``Comments <comments@blog.example>``; raises ValueError for anything else."""
    try:
        header = SMTP.header_factory("From", shown)
    except (HeaderParseError, ValueError, IndexError) as error:
        raise ValueError("must be an address such as Comments <comments@blog.example>") from error
    found: tuple[Address, ...] = header.addresses if isinstance(header, AddressHeader) else ()
    if len(found) != 1 or header.defects or not found[0].username or not found[0].domain:
        raise ValueError("must be an address such as Comments <comments@blog.example>")
    return found[0]


def master_key(home: Path) -> bytes:
    """Return the master secret of an installation, made on first use and kept in ``keys/master`` (mode 0600)."""
    path = home / "keys" / "master"
    try:
        return path.read_bytes().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"master.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(32).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # link() refuses to replace a key that another process made in the meantime.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_bytes().strip()


def _each_fault(error: EnvError) -> list[str]:
    messages: dict[str, list[str]] = getattr(error, "error_messages", {})
    return [f"{name}: {' '.join(said)}" for name, said in sorted(messages.items())] or [str(error)]


def _cross_checks(database_url: str, redis_url: str | None, public_url: str, secret: str) -> list[str]:
    faults = []
    url = urlsplit(public_url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        faults.append("PUBLIC_URL: must be an http or https address")
    if not database_url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://", "postgres://")):
        faults.append("DATABASE_URL: must begin with sqlite:/// or postgresql://")
    if redis_url is not None and not redis_url.startswith(("redis://", "rediss://", "unix://")):
        faults.append("REDIS_URL: must begin with redis://, rediss:// or unix://")
    if secret and len(secret) < SHORTEST_SECRET:
        faults.append(f"TIDEGATE_SECRET: must have at least {SHORTEST_SECRET} characters")
    return faults


def _mail_faults(smtp_url: str | None, mail_from: str | None) -> list[str]:
    faults = []
    if smtp_url is not None:
        try:
            MailServer.from_url(smtp_url)
        except ValueError as error:
            faults.append(f"SMTP_URL: {error}")
        if mail_from is None:
            faults.append("MAIL_FROM: is needed with SMTP_URL")
    if mail_from is not None:
        try:
            mailbox(mail_from)
        except ValueError as error:
            faults.append(f"MAIL_FROM: {error}")
    return faults
