"""Operations and bytes of a computation."""

import torch

from benchmarks.counters import Traffic, bandwidth_peak, shares_of_peaks


def test_bytes_of_operations() -> None:
    ones = torch.ones(8, 4)
    with Traffic() as traffic:
        ones.t().expand(2, 4, 8)
    assert traffic.total == 0
    with Traffic() as traffic:
        ones + ones
    assert traffic.total == 3 * 128
    matrix = torch.eye(8).to_sparse_csr()
    with Traffic() as traffic:
        matrix @ ones
    indices = matrix.crow_indices(), matrix.col_indices()
    expected = sum(part.numel() * part.element_size() for part in indices) + 32 + 2 * 128
    assert traffic.total >= expected


def test_shares_of_a_product_of_matrices() -> None:
    device, matrix = torch.device('cpu'), torch.randn(256, 256)
    shares = shares_of_peaks(lambda: matrix @ matrix, 1.0, device)
    assert 0 < shares['matmul_share'] < 0.1 and 0 < shares['bandwidth_share'] < 0.1
    assert bandwidth_peak(device) > 1e8
