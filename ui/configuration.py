"""Streamlit's settings, set in code so that no file elsewhere and no folder matters."""

from collections.abc import Sequence

from streamlit import config

FONT = "Inter, system-ui, -apple-system, 'Segoe UI', sans-serif"

_SERVER: dict[str, object] = {
    "browser.gatherUsageStats": False,
    # With an address given, Streamlit does not ask an outside host for the machine's own.
    "browser.serverAddress": "localhost",
    "server.address": "127.0.0.1",
    "server.headless": True,
    "server.showEmailPrompt": False,
    "server.fileWatcherType": "none",
    "server.runOnSave": False,
    "server.allowRunOnSave": False,
    "server.enableCORS": True,
    "server.enableXsrfProtection": True,
    "server.xsrfCookieSameSite": "strict",
    "server.enableStaticServing": False,
    "server.enableAgentApi": False,
    "server.scriptHealthCheckEnabled": False,
    "server.maxUploadSize": 200,
    "server.disconnectedSessionTTL": 300,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "client.allowedOrigins": [],
    "global.developmentMode": False,
    "runner.magicEnabled": False,
}

_THEME: dict[str, object] = {
    "theme.font": FONT,
    "theme.headingFont": FONT,
    "theme.codeFont": "ui-monospace, SFMono-Regular, Menlo, monospace",
    "theme.fontFaces": [{"family": "Inter", "url": "/assets/inter.woff2", "weight": "100 900"}],
    "theme.baseFontSize": 15,
    "theme.headingFontSizes": ["1.3rem", "1.2rem", "1.07rem", "1rem", "1rem", "1rem"],
    "theme.headingFontWeights": [650, 650, 600, 600, 600, 600],
    "theme.metricValueFontSize": "1.6rem",
    "theme.metricValueFontWeight": 600,
    "theme.baseRadius": "0.5rem",
    "theme.showWidgetBorder": True,
    "theme.showSidebarBorder": True,
}

_LIGHT: dict[str, object] = {
    "primaryColor": "#454fc9",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f2f3f8",
    "textColor": "#0d0f14",
    "linkColor": "#454fc9",
    "borderColor": "#e1e3ea",
    "sidebar.backgroundColor": "#f7f8fb",
    "sidebar.secondaryBackgroundColor": "#ecedf3",
    "sidebar.borderColor": "#e1e3ea",
}

_DARK: dict[str, object] = {
    "primaryColor": "#8b93ff",
    "backgroundColor": "#101115",
    "secondaryBackgroundColor": "#1b1c22",
    "textColor": "#f2f3f7",
    "linkColor": "#a3a9ff",
    "borderColor": "#2b2d36",
    "sidebar.backgroundColor": "#0b0c0f",
    "sidebar.secondaryBackgroundColor": "#191a20",
    "sidebar.borderColor": "#24262e",
}


def configure(host_names: Sequence[str]) -> None:
    """Set everything that Streamlit reads; what a file or the environment says is overridden."""
    options = {
        **_SERVER,
        **_THEME,
        **{f"theme.light.{name}": value for name, value in _LIGHT.items()},
        **{f"theme.dark.{name}": value for name, value in _DARK.items()},
        "server.allowedHosts": list(host_names),
    }
    for name, value in options.items():
        config.set_option(name, value, "ui.configuration")
