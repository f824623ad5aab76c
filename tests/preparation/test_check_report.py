"""The report of everything that is wrong."""

from mmwsss.preparation.check_report import CheckReport


def test_report(tmp_path):
    report = CheckReport('photos')
    assert report.text() == 'photos: 0 problems, 0 notes' and report.exit_code == 0
    report.note('a class', 'dog', 3)
    assert report.exit_code == 0 and report.num_problems == 0
    report.problem('missing', tmp_path / 'a.jpg')
    report.problem('broken', 'b.jpg', 'cut off')
    report.problem('missing', 'c.jpg')
    report.note('nothing else')
    assert report.text().splitlines() == [
        'photos: 3 problems, 2 notes',
        'problem: missing (2)',
        f'  {tmp_path}/a.jpg',
        '  c.jpg',
        'problem: broken',
        '  b.jpg: cut off',
        'note: a class',
        '  dog: 3',
        'note: nothing else',
    ]
    report.write(tmp_path / 'new' / 'report.txt')
    assert (
        tmp_path / 'new' / 'report.txt'
    ).read_text() == report.text() + '\n' and report.exit_code == 1


def test_published_to_the_screen_and_to_a_file(tmp_path, capsys):
    report = CheckReport('photos')
    report.publish()
    report.publish(tmp_path / 'report.txt')
    assert capsys.readouterr().err.splitlines() == ['photos: 0 problems, 0 notes'] * 2
    assert (tmp_path / 'report.txt').read_text() == 'photos: 0 problems, 0 notes\n'
