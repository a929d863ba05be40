"""Routes to one's own tokens. A token cannot make, see or end tokens: that needs the password."""

from datetime import timedelta

from fastapi import APIRouter

from audit.events import TokenChanged
from rag.contract import NewToken, TokenMade, TokenView
from rag.service_parts import InPerson, InService, denials_recorded
from rag.tokens import ApiToken

router = APIRouter()


@router.get("/v1/tokens")
def list_tokens(running: InService, principal: InPerson) -> list[TokenView]:
    """List one's own tokens, newest first."""
    return [_view(token) for token in running.tokens.of(principal.name)]


@router.post("/v1/tokens")
def make_token(running: InService, principal: InPerson, wanted: NewToken) -> TokenMade:
    """Make a token; it is shown this once."""
    scopes = frozenset(wanted.scopes)
    running.parts.record.append(TokenChanged(principal.name, "made", "+".join(sorted(scopes))))
    made = running.tokens.make(principal.name, wanted.label, scopes, timedelta(days=wanted.days))
    return TokenMade(token=made.token, known_as=_view(made.known_as))


@router.delete("/v1/tokens/{token_id}", status_code=204)
def revoke_token(running: InService, principal: InPerson, token_id: str) -> None:
    """End one of one's own tokens; it is refused from the next request on."""
    with denials_recorded(running.parts, principal, f"token {token_id}"):
        running.parts.record.append(TokenChanged(principal.name, "revoked", token_id))
        running.tokens.revoke(principal.name, token_id)


def _view(token: ApiToken) -> TokenView:
    return TokenView(
        token_id=token.token_id,
        label=token.label,
        scopes=sorted(token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        used_at=token.used_at,
    )
