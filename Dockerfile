# The wheel is built apart, so that the image holds what runs and nothing else.
FROM python:3.13-slim AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/vestibule
COPY requirements requirements
# Wheels only: nothing is compiled, and no package runs a script of its own here.
RUN pip --python /opt/vestibule/bin/python install \
    --require-hashes --only-binary :all: -r requirements/runtime.txt
RUN pip install --require-hashes --only-binary :all: -r requirements/build.txt
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/vestibule/bin/python install --no-deps --no-index dist/*.whl

FROM python:3.13-slim
RUN groupadd --gid 10001 vestibule \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home \
        --home-dir /var/lib/vestibule --shell /usr/sbin/nologin vestibule \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/vestibule
COPY --from=build /opt/vestibule /opt/vestibule
ENV PATH=/opt/vestibule/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    VESTIBULE_MODE=production \
    VESTIBULE_DATA_DIR=/var/lib/vestibule
# As numbers: Kubernetes believes only these when it is told to run nothing as root.
USER 10001:10001
WORKDIR /var/lib/vestibule
EXPOSE 8000
# Not urllib: it would ask a proxy that HTTP_PROXY names for our own address.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import http.client, os; asked = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); asked.request('GET', '/healthz'); raise SystemExit(asked.getresponse().status != 200)"]
ENTRYPOINT ["vestibule"]
CMD ["serve"]
