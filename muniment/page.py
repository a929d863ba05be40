"""The page, as a program."""

from muniment.listening import serve_application
from muniment.settings import Settings
from ui.asgi import create_page


def serve_ui(settings: Settings, *, host: str) -> None:
    """Serve the page until told to stop."""
    page = create_page(
        service_url=settings.service_address,
        host_names=settings.page_host_names,
        https=settings.https,
    )
    serve_application(page, settings, host=host, port=settings.port)
