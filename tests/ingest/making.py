"""Documents made on the spot."""

from pathlib import Path

from reportlab.lib import colors, pdfencrypt
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

ALLOWANCE = "Staff carry over at most five days of leave into the next year."
LONG = "The firm keeps each record for as long as the law asks and no longer. " * 40


def policy_pdf(path: Path) -> Path:
    """Three pages with running header and footer, numbered headings and a ruled table."""
    styles = getSampleStyleSheet()
    rows = [
        ["Grade", "Days", "Notice"],
        ["Analyst", "25", "4 weeks"],
        ["Partner", "30", "3 months"],
    ]
    table = Table(
        rows,
        style=[
            ("GRID", (0, 0), (-1, -1), 0.5, colors.black),
            ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"),
        ],
    )
    story = [
        Paragraph("Leave Policy", styles["Title"]),
        Paragraph("This policy says how much leave people have.", styles["Normal"]),
        Paragraph("1 Entitlement", styles["Heading1"]),
        Paragraph(ALLOWANCE, styles["Normal"]),
        Spacer(1, 12),
        table,
        PageBreak(),
        Paragraph("2 Absence", styles["Heading1"]),
        Paragraph("2.1 Illness", styles["Heading2"]),
        Paragraph("Tell your manager before ten on the first day. " * 6, styles["Normal"]),
        PageBreak(),
        Paragraph("3 Records", styles["Heading1"]),
        Paragraph(LONG, styles["Normal"]),
    ]  # fmt: skip
    SimpleDocTemplate(str(path), pagesize=A4).build(
        story, onFirstPage=_furniture, onLaterPages=_furniture
    )
    return path


def _furniture(canvas: Canvas, document: SimpleDocTemplate) -> None:
    canvas.setFont("Helvetica", 8)
    canvas.drawString(70, 810, "Leave Policy")
    canvas.drawRightString(520, 810, "HR-7")
    canvas.drawCentredString(300, 30, f"Page {document.page} of 3")


def plain_pdf(path: Path, text: str, *, password: str = "") -> Path:
    """One page with one line."""
    lock = pdfencrypt.StandardEncryption(password) if password else None
    canvas = Canvas(str(path), pagesize=A4, encrypt=lock)
    canvas.drawString(72, 720, text)
    canvas.save()
    return path


def blank_pdf(path: Path) -> Path:
    """One page with nothing on it."""
    canvas = Canvas(str(path), pagesize=A4)
    canvas.showPage()
    canvas.save()
    return path
