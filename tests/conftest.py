"""Before any test: the silence every program keeps, so that no test can phone home either."""

import muniment.silence  # isort: split

muniment.silence.enforce()
