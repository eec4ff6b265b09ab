"""Official clients of the providers, through the gateway and directly."""

import pytest

# Its assertions say what differs.
pytest.register_assert_rewrite("tests.gateway.replay")
