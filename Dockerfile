# Two images: --target server (proconsul), --target operator (proconsul-operator).
# Everything is installed from requirements/, hash by hash, as wheels only: no compiler, no shell at
# run time. The same tree, base and SOURCE_DATE_EPOCH give the same files.

# A caller who wants the same base for ever names it by digest.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Compiled files name the hash of their source, not the time of this build.
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
WORKDIR /build
COPY requirements/run.txt requirements/operator.txt requirements/build.txt requirements/
# operator.txt holds all of run.txt, in the same versions: one download for both images.
RUN pip download --require-hashes --only-binary=:all: --no-deps --dest /wheels -r requirements/operator.txt \
 && python -m venv /tools \
 && /tools/bin/pip install --require-hashes --only-binary=:all: --no-deps -r requirements/build.txt
COPY pyproject.toml ./
COPY server/proconsul server/proconsul
COPY operator/proconsul_operator operator/proconsul_operator
RUN /tools/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /own .

FROM wheels AS compiled
# Machine code of the busiest modules; the C compiler is a wheel, too, and stays behind here.
# Python's images have its headers; where Python is the distribution's they are a package.
RUN python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("include"), "Python.h").stat()' 2>/dev/null \
 || { apt-get update -q && apt-get install -qy --no-install-recommends libpython3-dev; }
COPY requirements/compile.txt requirements/
RUN python -m venv /compiler \
 && /compiler/bin/pip install --require-hashes --only-binary=:all: --no-deps -r requirements/compile.txt \
 && /compiler/bin/pip install --no-index --find-links=/wheels --require-hashes --no-deps -r requirements/run.txt
COPY server/compiling server/compiling
RUN CC='/compiler/bin/python -m ziglang cc' LDSHARED='/compiler/bin/python -m ziglang cc -shared' \
    PYTHONPATH=server /compiler/bin/python -m compiling /own/compiled

FROM wheels AS installed-server
# Without pip: what runs installs nothing.
RUN python -m venv --without-pip /opt/proconsul \
 && pip --python /opt/proconsul/bin/python install --no-index --find-links=/wheels --require-hashes --no-deps -r requirements/run.txt \
 && pip --python /opt/proconsul/bin/python install --no-index --no-deps /own/*.whl \
 && rm -rf /opt/proconsul/lib/python3.*/site-packages/proconsul_operator /opt/proconsul/bin/proconsul-operator
COPY --from=compiled /own/compiled /own/compiled
# Only the machine code: what Python wrote of the sources is there already.
RUN cd /own/compiled && find . -name '*.so' -exec cp --parents {} /opt/proconsul/lib/python3.*/site-packages/ ';' \
 && /opt/proconsul/bin/python -c 'import proconsul.cli.main, proconsul.raft.node as node; assert node.__file__.endswith(".so")'

FROM wheels AS installed-operator
RUN python -m venv --without-pip /opt/proconsul \
 && pip --python /opt/proconsul/bin/python install --no-index --find-links=/wheels --require-hashes --no-deps -r requirements/operator.txt \
 && pip --python /opt/proconsul/bin/python install --no-index --no-deps /own/*.whl \
 && rm -rf /opt/proconsul/lib/python3.*/site-packages/proconsul /opt/proconsul/bin/proconsul \
 && /opt/proconsul/bin/python -c 'import kopf, kubernetes, boto3, proconsul_operator'

FROM ${BASE} AS runtime
# The user has a name, as some libraries ask for it; Kubernetes needs the number.
RUN echo 'proconsul:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'proconsul:x:65532:' >> /etc/group
# The root file system may be read-only: nothing is written but to /tmp and the volumes.
ENV PATH=/opt/proconsul/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /tmp
STOPSIGNAL SIGTERM

FROM runtime AS server
COPY --from=installed-server /opt/proconsul /opt/proconsul
ARG REVISION=unknown
LABEL org.opencontainers.image.title="proconsul" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision=${REVISION}
# RPC, gossip, HTTP, HTTPS, DNS, probes.
EXPOSE 8300/tcp 8301/tcp 8301/udp 8500/tcp 8501/tcp 8558/tcp 8600/tcp 8600/udp
ENTRYPOINT ["proconsul"]

FROM runtime AS operator
COPY --from=installed-operator /opt/proconsul /opt/proconsul
ARG REVISION=unknown
LABEL org.opencontainers.image.title="proconsul-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision=${REVISION}
ENTRYPOINT ["proconsul-operator"]
