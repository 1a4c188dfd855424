"""A real WordPress from Debian's packages, below one temporary folder: MariaDB on a socket, PHP's own server, no root needed.

Debian unpacks; nothing is configured on the machine, and all ends with the test.
"""

import contextlib
import getpass
import html
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

from moderation.embedded import free_port
from tests.servers import NoServer, tied

PACKAGES = ("php-cli", "php-mysql", "php-mbstring", "php-xml", "mariadb-server-core", "mariadb-client-core")
INSTALL = f"apt-get install --no-install-recommends {' '.join(PACKAGES)}"
PATIENCE = 60.0
PASSWORD = "correct horse battery"

CONFIG = """<?php
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', '{user}' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost:{socket}' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
define( 'AUTH_KEY', 'a' );
define( 'SECURE_AUTH_KEY', 'b' );
define( 'LOGGED_IN_KEY', 'c' );
define( 'NONCE_KEY', 'd' );
define( 'AUTH_SALT', 'e' );
define( 'SECURE_AUTH_SALT', 'f' );
define( 'LOGGED_IN_SALT', 'g' );
define( 'NONCE_SALT', 'h' );
define( 'WP_ENVIRONMENT_TYPE', 'local' );
define( 'WP_HOME', '{url}' );
define( 'WP_SITEURL', '{url}' );
define( 'DISABLE_WP_CRON', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'WP_ACCESSIBLE_HOSTS', '*.akismet.com,rest.akismet.com,localhost,127.0.0.1' );
define( 'WP_DEBUG', true );
define( 'WP_DEBUG_LOG', '{log}' );
define( 'WP_DEBUG_DISPLAY', false );
$table_prefix = 'wp_';
if ( ! defined( 'ABSPATH' ) ) {{ define( 'ABSPATH', __DIR__ . '/' ); }}
require_once ABSPATH . 'wp-settings.php';
"""

# Readers of a test comment more often than every fifteen seconds, and nobody reads the mail about it.
QUIET = """<?php
add_filter( 'wp_is_comment_flood', '__return_false', 100 );
add_filter( 'pre_wp_mail', '__return_true' );
"""

# Debian packages the themes apart; readers of a test need no more than this.
THEME = """<?php
the_post();
the_title();
foreach ( get_comments( array( 'post_id' => get_the_ID(), 'status' => 'approve' ) ) as $comment ) {
	echo '<p>' . esc_html( $comment->comment_content ) . '</p>';
}
"""

SET_UP = """
define( 'WP_INSTALLING', true );
require 'wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install( 'A blog', 'admin', 'admin@blog.example', true, '', '{password}' );
"""

OPEN = """
require 'wp-load.php';
foreach ( array( 'mona' => 'editor', 'sue' => 'subscriber', 'tidegate' => 'editor' ) as $name => $role ) {{
	$user = wp_insert_user(
		array( 'user_login' => $name, 'user_pass' => '{password}', 'user_email' => "$name@blog.example", 'role' => $role )
	);
}}
update_option( 'active_plugins', array( 'akismet/akismet.php' ) );
update_option( 'wordpress_api_key', '{key}' );
update_option( 'template', 'plain' );
update_option( 'stylesheet', 'plain' );
update_option( 'comment_moderation', 0 );
update_option( 'comment_previously_approved', 0 );
update_option( 'permalink_structure', '{permalinks}' );
flush_rewrite_rules();
list( $password ) = WP_Application_Passwords::create_new_application_password( $user, array( 'name' => 'Tidegate' ) );
echo $password;
"""


def package(folder: Path) -> Path:
    """Return Debian's package of WordPress, downloaded once into the folder."""
    if not (found := sorted(folder.glob("wordpress_*.deb"))):
        folder.mkdir(exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", "wordpress"], cwd=folder, check=True, timeout=300)
        found = sorted(folder.glob("wordpress_*.deb"))
    return found[-1]


class WordPress:
    """One blog, with the accounts ``tidegate`` (for the publisher), ``mona`` (an editor) and ``sue`` (a subscriber)."""

    def __init__(self, folder: Path, package: Path) -> None:
        for program in ("php", "mariadbd", "mariadb-install-db"):
            if shutil.which(program) is None:
                raise NoServer(f"{program} is not installed: {INSTALL}")
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "debug.log"
        self._processes: list[subprocess.Popen[bytes]] = []
        subprocess.run(["dpkg-deb", "--extract", str(package), str(folder / "unpacked")], check=True)
        self.home = folder / "unpacked" / "usr" / "share" / "wordpress"
        self.password = ""
        self._readers = 0

    def start(self, *, plugin: str, key: str, permalinks: str = "/%postname%/") -> None:
        """Make the database, install the blog with the must-use plugin, and serve it; ``key`` is the Akismet plugin's."""
        self._start_database()
        config = CONFIG.format(user=getpass.getuser(), socket=self.folder / "sql.sock", url=self.url, log=self.log)
        (self.home / "wp-config.php").write_text(config)
        self.php(SET_UP.format(password=PASSWORD))
        theme = self.home / "wp-content" / "themes" / "plain"
        theme.mkdir(parents=True)
        (theme / "style.css").write_text("/* Theme Name: Plain */")
        (theme / "index.php").write_text(THEME)
        mu_plugins = self.home / "wp-content" / "mu-plugins"
        mu_plugins.mkdir(exist_ok=True)
        (mu_plugins / "quiet.php").write_text(QUIET)
        (mu_plugins / "tidegate-wordpress.php").write_text(plugin)
        self.password = self.php(OPEN.format(password=PASSWORD, key=key, permalinks=permalinks)).strip()
        self._serve()

    def stop(self) -> None:
        """End what runs, the web server first."""
        for process in reversed(self._processes):
            # The group: PHP's server leaves its workers behind where it alone is told to end.
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def php(self, code: str) -> str:
        """Run some PHP in the blog's folder and return what it prints."""
        done = subprocess.run(
            ["php", "-d", "display_errors=stderr", "-r", code],
            cwd=self.home,
            env={**os.environ, "HTTP_HOST": f"127.0.0.1:{self.port}"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"PHP failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def ask(self, code: str) -> Any:
        """Return the value of a PHP expression in the running blog."""
        return json.loads(self.php(f"require 'wp-load.php'; echo json_encode( {code} );").rpartition("\n")[2])

    def comment(self, text: str, *, post: int = 1) -> int | None:
        """Post a comment as a reader does with the page's form; return its number, None where the blog took none."""
        before = set(self.comments())
        self._readers += 1
        name = f"Rita {self._readers}"
        fields = {"author": name, "email": f"rita{self._readers}@reader.example", "comment": text, "comment_post_ID": str(post)}
        self.send("/wp-comments-post.php", fields)
        fresh = set(self.comments()) - before
        assert len(fresh) <= 1
        return next(iter(fresh), None)

    def comments(self) -> list[int]:
        """Return the numbers of all comments, whatever their status."""
        found = self.ask("array_map( 'intval', get_comments( array( 'status' => 'any', 'fields' => 'ids' ) ) )")
        return list(found)

    def status(self, number: int) -> str:
        """Return where a comment stands: approved, unapproved, spam, trash."""
        return str(self.ask(f"wp_get_comment_status( {number} )"))

    def meta(self, number: int, name: str) -> str:
        """Return a field that is kept with a comment."""
        return str(self.ask(f"get_comment_meta( {number}, '{name}', true )"))

    def page(self, post: int = 1) -> str:
        """Return the page that readers see."""
        return self.send(f"/?p={post}")

    def application_password(self, name: str) -> str:
        """Return a new application password of a user."""
        code = (
            f"$user = get_user_by( 'login', '{name}' ); "
            "list( $made ) = WP_Application_Passwords::create_new_application_password( $user->ID, array( 'name' => 'x' ) ); "
            "echo $made;"
        )
        return self.php(f"require 'wp-load.php'; {code}").strip()

    def moderator(self, name: str = "mona") -> "Moderator":
        """Return somebody signed in to the blog's own administration."""
        return Moderator(self, name)

    def send(self, path: str, fields: Mapping[str, str] | None = None, opener: Any = None) -> str:
        """Send a request to the blog and return the page."""
        data = urlencode(fields).encode() if fields is not None else None
        try:
            with (opener or build_opener()).open(Request(self.url + path, data=data), timeout=PATIENCE) as answer:
                return str(answer.read().decode())
        except HTTPError as error:
            with error:
                return error.read().decode(errors="replace")

    def _start_database(self) -> None:
        data = self.folder / "sql"
        user = ["--user=root"] if os.geteuid() == 0 else []
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
             "--skip-test-db", *user],
            check=True, capture_output=True, timeout=PATIENCE,
        )  # fmt: skip
        socket = self.folder / "sql.sock"
        self._run(
            "sql",
            ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking",
             "--skip-grant-tables", f"--pid-file={self.folder / 'sql.pid'}", *user],
        )  # fmt: skip
        connect = f"$c = @mysqli_connect( 'localhost', '{getpass.getuser()}', '', '', 0, '{socket}' );"
        make = f"mysqli_report( MYSQLI_REPORT_OFF ); {connect} exit( $c && $c->query( 'CREATE DATABASE wordpress' ) ? 0 : 1 );"
        self._until("MariaDB", lambda: subprocess.run(["php", "-r", make], check=False, capture_output=True).returncode == 0)

    def _serve(self) -> None:
        # Several at once: while a reader's comment is checked, the publisher may be at the door.
        self._run("php", ["php", "-S", f"127.0.0.1:{self.port}", "-t", str(self.home)], PHP_CLI_SERVER_WORKERS="4")

        def answers() -> bool:
            try:
                return "Hello world" in self.page()
            except OSError:
                return False

        self._until("PHP", answers)

    def _run(self, name: str, command: list[str], **environment: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [*tied(self.folder / f"{name}.tether"), *command],
                    cwd=self.folder,
                    env={**os.environ, **environment},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _until(self, what: str, condition: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            logs = "".join(path.read_text(errors="replace")[-1500:] for path in self.folder.glob("*.log"))
            assert time.monotonic() < deadline, f"{what} does not answer: {logs}"
            time.sleep(0.1)


class Moderator:
    """An editor who works in WordPress itself."""

    def __init__(self, blog: WordPress, name: str) -> None:
        self.blog = blog
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()), HTTPRedirectHandler())
        blog.send("/wp-login.php", None, self.opener)
        blog.send("/wp-login.php", {"log": name, "pwd": PASSWORD, "testcookie": "1"}, self.opener)
        assert "edit-comments" in self.queue()

    def queue(self) -> str:
        """Return the page on which WordPress lists its comments."""
        return self.blog.send("/wp-admin/edit-comments.php", None, self.opener)

    def act(self, number: int, action: str) -> None:
        """Follow the link of an action (approve, unapprove, spam, unspam, trash, untrash) below a comment."""
        pages = self.queue() + self.blog.send("/wp-admin/edit-comments.php?comment_status=spam", None, self.opener)
        wanted = {"c": [str(number)], "action": [f"{action}comment"]}
        links = [html.unescape(found) for found in re.findall(r"comment\.php\?[^'\" ]+", pages)]
        asked = [(link, parse_qs(link.partition("?")[2])) for link in links]
        link = next(link for link, query in asked if wanted.items() <= query.items() and "_wpnonce" in query)
        self.blog.send(f"/wp-admin/{link}", None, self.opener)
