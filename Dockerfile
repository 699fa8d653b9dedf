# All stages start from the same base image. The digest is python 3.11.16 on Debian 13; a mirror, or a
# base of your own, is named with --build-arg PYTHON_IMAGE=...
ARG PYTHON_IMAGE=python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7

FROM ${PYTHON_IMAGE} AS packages
WORKDIR /app
# without pip in it, so that nothing can be installed in the image that runs; and only from wheels, so that
# no compiler is needed here either
RUN python -m venv --without-pip /opt/heartbeat
COPY requirements.lock ./
RUN pip --python /opt/heartbeat/bin/python install --no-cache-dir --no-deps --only-binary :all: \
    --require-hashes --requirement requirements.lock

FROM packages AS heartbeat
COPY pyproject.toml README.md dagster.yaml workspace.yaml ./
COPY forkserver_launcher forkserver_launcher
COPY heartbeat heartbeat
COPY heartbeat_web heartbeat_web
COPY heartbeat_assets heartbeat_assets
COPY heartbeat_api heartbeat_api
COPY dagster_guard dagster_guard
COPY demo_bank demo_bank
# into a folder of its own, so that a new version of Heartbeat is a small layer above that of the packages;
# compiled now, since the root of a container is read-only
RUN pip --python /opt/heartbeat/bin/python install --no-cache-dir --no-deps --no-build-isolation \
    --root /heartbeat --editable . \
    && /opt/heartbeat/bin/python -m compileall -q /app

FROM ${PYTHON_IMAGE}
# a fixed user, whom files of secrets and volumes can be given to
RUN groupadd --gid 10001 heartbeat \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin heartbeat \
    && install -d -o 10001 -g 10001 /state \
    && install -d /project
COPY --from=packages /opt/heartbeat /opt/heartbeat
COPY --from=heartbeat /heartbeat/opt/heartbeat /opt/heartbeat
COPY --from=heartbeat /app /app
ARG HEARTBEAT_VERSION=unversioned
LABEL org.opencontainers.image.title="Heartbeat" \
    org.opencontainers.image.version="${HEARTBEAT_VERSION}"
ENV PATH=/opt/heartbeat/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEARTBEAT_PROJECT=/project \
    HEARTBEAT_HOME=/state \
    HEARTBEAT_BIND_HOST=0.0.0.0
WORKDIR /project
USER 10001:10001
CMD ["heartbeat", "--help"]
