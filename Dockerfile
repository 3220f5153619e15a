# Builds in the Rust image and runs in a slim one, without a compiler. The build stage gets .git too, from which
# `flowledger --version` takes the commit.
FROM rust:1-bookworm AS build
WORKDIR /flowledger
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data flowledger && install -d -o flowledger -g flowledger /data
COPY --from=build /flowledger/target/release/flowledger /usr/local/bin/flowledger
USER flowledger
WORKDIR /data
VOLUME /data
EXPOSE 8080
ENV FLOWLEDGER_LISTEN=0.0.0.0:8080 DATABASE_URL=sqlite:///data/flowledger.db
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["flowledger", "health"]
ENTRYPOINT ["flowledger"]
CMD ["serve"]
