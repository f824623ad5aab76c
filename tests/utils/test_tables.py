from mmwsss.utils.tables import text_table


def test_alignment_and_cells():
    assert text_table(
        ('class', 'IoU'), [('a [b]', 1.005), ('cc', None), ('d', 100)], 'title'
    ).splitlines() == [
        'title',
        '| class |  IoU |',
        '|-------|------|',
        '| a [b] | 1.00 |',
        '| cc    |    - |',
        '| d     |  100 |',
    ]


def test_no_rows_and_long_names():
    assert text_table(('a', 'b'), []).splitlines() == ['| a | b |', '|---|---|']
    assert 'x' * 300 in text_table(('a',), [('x' * 300,)])
