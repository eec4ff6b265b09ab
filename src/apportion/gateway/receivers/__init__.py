"""Usage that comes to the gateway because others measured it: telemetry, callbacks and rows of one's own."""
