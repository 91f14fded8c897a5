"""Write the golden tables anew, after a change that was meant: python -m tests.report.golden"""

from tests.report.golden import made

for name, text in made.files().items():
    (made.FOLDER / name).write_text(text)
