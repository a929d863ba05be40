"""Before any test: the silence every program keeps, so that no test can phone home either."""

import muniment.silence

muniment.silence.enforce()
