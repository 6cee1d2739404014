# The server in a container: `docker build -t bongsu .`
FROM rust:1.95-bookworm AS build
# For what is compiled from C: TLS, SQLite and the client of Kafka.
RUN apt-get update && apt-get install --yes --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p bongsu && install -m 0755 target/release/bongsu /bongsu

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/bongsu bongsu \
    && install -d -m 0700 -o bongsu -g bongsu /var/lib/bongsu
COPY --from=build /bongsu /usr/local/bin/bongsu
COPY docs/catalogue.example.toml /usr/share/bongsu/catalogue.example.toml
USER bongsu
WORKDIR /var/lib/bongsu
ENV BONGSU_DATA_DIR=/var/lib/bongsu BONGSU_HTTP=0.0.0.0:8000 BONGSU_TCP=0.0.0.0:12345
EXPOSE 8000 12345
VOLUME /var/lib/bongsu
# A node that is told to stop moves its clients first; give it `--stop-timeout` of that time and some more.
STOPSIGNAL SIGTERM
ENTRYPOINT ["bongsu"]
CMD ["serve"]
