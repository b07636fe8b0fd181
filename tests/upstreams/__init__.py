"""Servers that do what a test says, for a gateway to be in front of.

    async with Upstream.started() as upstream:
        upstream.will(Status(503), Answer(cut=Cut.RESET, cut_at=1))

and the first request gets a 503, the second a stream that is reset after one word, and all
others a whole answer.
"""

from tests.upstreams.acts import CLOSE as CLOSE
from tests.upstreams.acts import RESET as RESET
from tests.upstreams.acts import SILENCE as SILENCE
from tests.upstreams.acts import Act as Act
from tests.upstreams.acts import After as After
from tests.upstreams.acts import Answer as Answer
from tests.upstreams.acts import Cut as Cut
from tests.upstreams.acts import Play as Play
from tests.upstreams.acts import Redirect as Redirect
from tests.upstreams.acts import Status as Status
from tests.upstreams.asked import Asked as Asked
from tests.upstreams.asked import Fate as Fate
from tests.upstreams.server import Upstream as Upstream
from tests.upstreams.wire import ToolCall as ToolCall
from tests.upstreams.wire import Usage as Usage
