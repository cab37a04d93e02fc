# The page in a container: `docker build -t anoonly .` and `docker run -p 8501:8501 -v anoonly:/cache anoonly`.
# docs/deployment.md says more, and what TORCH_INDEX is for.
ARG BASE=python:3.13-slim

# The wheel of this checkout.
FROM ${BASE} AS wheel
WORKDIR /source
RUN python3 -m venv /build && /build/bin/pip install --no-cache-dir hatchling==1.33.0
COPY pyproject.toml README.md LICENSE ./
COPY assets assets
COPY anoonly_core anoonly_core
COPY app app
RUN /build/bin/python -m hatchling build -t wheel -d /wheels

# The pinned packages. This layer stays as long as requirements.txt does.
FROM ${BASE} AS packages
ARG TORCH_INDEX=""
COPY requirements.txt /source/requirements.txt
WORKDIR /source
RUN python3 -m venv /anoonly \
    && /anoonly/bin/pip install --no-cache-dir ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} "$(grep ^torch== requirements.txt)" \
    && /anoonly/bin/pip install --no-cache-dir -r requirements.txt
COPY --from=wheel /wheels /wheels
RUN /anoonly/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM ${BASE}
RUN useradd --uid 1000 --create-home anoonly && mkdir /cache && chown 1000 /cache
COPY --from=packages /anoonly /anoonly
ENV PATH=/anoonly/bin:$PATH PYTHONUNBUFFERED=1 ANOONLY_CACHE=/cache
USER 1000
WORKDIR /home/anoonly
VOLUME /cache
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:8501/_stcore/health', timeout=4)"]
ENTRYPOINT ["anoonly"]
CMD ["app", "--server.address", "0.0.0.0", "--server.port", "8501"]
