"""The page as a process of its own: ``python page_process.py SERVICE_URL PORT``."""

import sys

import uvicorn

from ui.asgi import create_page

if __name__ == "__main__":
    uvicorn.run(
        create_page(service_url=sys.argv[1]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="warning",
        ws="websockets-sansio",
    )
