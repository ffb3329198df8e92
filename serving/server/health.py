"""`python -m serving.server.health [HOST:PORT]`: status 0 where a server answers and has loaded what it was first told to serve.

For the image's health check, and for whoever waits for a server; by gRPC's health protocol, without TLS.
"""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ADDRESS = "localhost:8500"
DEADLINE_S = 4.0


def is_serving(address: str) -> bool:
    """Whether the server at `address` says SERVING within the deadline."""
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE_S)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(not is_serving(sys.argv[1] if len(sys.argv) > 1 else ADDRESS))
