"""`forensics sign`: the report of a case under the signature of a person."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from forensics import foreign
from forensics.cli import options
from forensics.cli.console import Console
from forensics.errors import SettingsError


@click.command(short_help="Sign the report and the folder of a case with a person's key.")
@click.argument("case", type=options.FOLDER)
@click.option("--pkcs12", type=options.PATH, metavar="FILE", help="Key file (.p12, .pfx) of the signatory.")
@click.option("--passfile", type=options.PATH, metavar="FILE", help="File with the passphrase; asked for otherwise.")
@click.option("--pkcs11", metavar="LIBRARY", help="Module of a token or security module that holds the key.")
@click.option("--token-label", metavar="LABEL", help="Token to use, with --pkcs11.")
@click.option("--cert-label", metavar="LABEL", help="Certificate on the token, with --pkcs11.")
@click.option("--raw-mechanism", is_flag=True, help="For tokens that sign a ready digest only.")
@click.option("--timestamp-url", metavar="URL", help="Time-stamping authority (RFC 3161) to ask.")
@options.unsign
@options.system_files
@options.paper
@options.verbosity
@click.pass_obj
def sign(
    console: Console,
    case: Path,
    pkcs12: Path | None,
    passfile: Path | None,
    pkcs11: str | None,
    token_label: str | None,
    cert_label: str | None,
    raw_mechanism: bool,
    timestamp_url: str | None,
    unsign: bool,
    ignore_system_files: bool,
    paper: str | None,
) -> None:
    """Sign the folder CASE: its report, as report-signed.pdf beside the draft, and then the folder as a whole.

    The whole folder is verified first. The signature over the folder, tagmanifest-sha256.txt.p7s, covers every file in
    it: report, viewer, tables, exhibits and the whole custody log. Make all documents before; afterwards none can be
    changed without taking the signature off. The key is the signatory's own, in a file or on a token; this program has
    none. The path of the signed PDF is written to standard output.
    """
    from forensics.folder.sign import Key, Pkcs11, Pkcs12

    key: Key
    if (pkcs12 is None) == (pkcs11 is None):
        raise SettingsError(
            "No key was named.",
            hint="Give either --pkcs12 FILE or --pkcs11 LIBRARY. A key comes with a certificate from a provider of "
            "trust services, as a file (.p12, .pfx) or on a card.",
        )
    if pkcs12 is not None:
        Pkcs12(pkcs12).read()  # a file that is none is said before a passphrase is asked for
        key = Pkcs12(pkcs12, secret(passfile, "Passphrase").encode())
    elif token_label is None or cert_label is None:
        raise SettingsError("The token is not named.", hint="Give --token-label and --cert-label as well.")
    else:
        key = Pkcs11(str(pkcs11), token_label, cert_label, secret(passfile, "PIN"), raw_mechanism)
    with console.working():
        from forensics.documents import sign as sign_case

        pdf = sign_case(
            case,
            key,
            timestamp_url=timestamp_url,
            paper=paper,
            ignore_added=ignore_system_files,
            unsign=unsign,
            warn=console.note,
        )
    console.result(pdf)


def secret(passfile: Path | None, what: str) -> str:
    """The first line of a file, or what the person types. Raises SettingsError where neither gives one."""
    if passfile is None:
        try:
            return str(click.prompt(what, hide_input=True, default="", show_default=False, err=True))
        except click.Abort as exc:
            if sys.stdin.isatty():
                raise
            raise SettingsError(f"No {what} could be asked for.", hint="Give --passfile FILE.") from exc
    try:
        return foreign.read(passfile, foreign.MIB).decode("utf-8").splitlines()[0]
    except (foreign.Unreadable, UnicodeDecodeError, IndexError) as exc:
        raise SettingsError(f"{passfile} holds no passphrase in its first line.", hint="Check --passfile.") from exc
