# One image for every part; docker-compose.yml says which command makes it which. The version of Python is the one of the tests.
FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/tidegate
COPY lock/default.txt /src/lock/default.txt
RUN /opt/tidegate/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /src/lock/default.txt
COPY pyproject.toml README.md LICENSE /src/
COPY api /src/api
COPY moderation /src/moderation
COPY workers /src/workers
RUN /opt/tidegate/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps /src

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 tidegate \
 && useradd --system --uid 10001 --gid 10001 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin tidegate \
 && install --directory --owner=tidegate --group=tidegate --mode=0755 /models
COPY --from=build /opt/tidegate /opt/tidegate
# All that a part writes is below /tmp, which is a tmpfs: the root file system is read-only. Data is in PostgreSQL.
ENV PATH=/opt/tidegate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TIDEGATE_HOME=/tmp/tidegate \
    TIDEGATE_HOST=0.0.0.0
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "moderation.healthcheck", "api"]
CMD ["python", "-m", "gunicorn", "--config", "python:api.gunicorn", "--no-control-socket", "api.app:from_env()"]
