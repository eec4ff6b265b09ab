"""The gateway with real sockets: a server that plays answers, a worker, and callers that send bytes as they like."""
