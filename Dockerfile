# The node in a container: built in one stage, run in another that has neither sources nor build tools.
#   docker build -t frenezulo .
#   docker run --init --read-only --tmpfs /tmp -v frenezulo:/data -p 127.0.0.1:3000:3000 -e FRENEZULO_ADMIN_TOKEN=… frenezulo

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY build.mjs frenezulo.toml ./
COPY wire wire
COPY actors actors
COPY supervisors supervisors
COPY src src
COPY services services
# `build` finds node_modules as new as the lock file and installs nothing again. Of the acceptor's native files, one for
# each platform and Node version, only this image's stays.
RUN touch node_modules/.package-lock.json \
  && node build.mjs build \
  && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
  && native="uws_$(node -p '[process.platform, process.arch, process.versions.modules].join("_")').node" \
  && test -f "node_modules/uWebSockets.js/$native" \
  && find node_modules/uWebSockets.js -name '*.node' ! -name "$native" -delete

FROM node:20-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/frenezulo.toml ./
COPY --from=build /app/services/build/hello.wasm /app/services/build/echo.wasm /app/services/build/counter.wasm services/build/
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:3000/services/-/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["up", "--config", "frenezulo.toml", "--listen", "0.0.0.0:3000", "--data", "/data"]
