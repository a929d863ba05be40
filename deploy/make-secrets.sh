#!/usr/bin/env bash
# Make the secrets of a site, every one new: deploy/make-secrets.sh [SITE_NAME] [FOLDER]
# What is there already is kept. Nobody but the folder's owner can look into it.
set -euo pipefail

site=${1:-localhost}
folder=${2:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

word() { openssl rand -hex 32; }
keep() { # keep NAME: standard input becomes the file, unless it is there
  if [ -e "$1" ]; then cat >/dev/null; else cat >"$1"; fi
}

word | keep postgres-password
word | keep model-key
word | keep qdrant-key
keep qdrant.yaml <<END
service:
  api_key: $(cat qdrant-key)
END
keep muniment.toml <<END
database_url = "postgresql+psycopg://muniment:$(cat postgres-password)@postgres:5432/muniment"
qdrant_key = "$(cat qdrant-key)"
model_key = "$(cat model-key)"
END
if [ ! -e certificate.pem ]; then
  # For a first try. Put a certificate of your own authority here before anybody else uses the site.
  openssl req -x509 -newkey rsa:3072 -nodes -days 90 -subj "/CN=$site" \
    -addext "subjectAltName=DNS:$site" -keyout certificate-key.pem -out certificate.pem 2>/dev/null
fi

# Containers run as other users and are given single files; the folder itself stays closed.
chmod 444 -- *
echo "The secrets are in $folder."
