"""Circles in a graph."""


def circles(edges):
    """Strongly connected sets of more than one node, and single nodes with an edge to themselves; each sorted. `edges`:
    node -> nodes. (Tarjan, with a stack of its own.)"""
    index, low, path, on_path, found = {}, {}, [], set(), []
    for root in sorted(edges):
        if root in index:
            continue
        work = [(root, iter(sorted(edges[root])))]
        index[root] = low[root] = len(index)
        path.append(root)
        on_path.add(root)
        while work:
            node, rest = work[-1]
            step = next((n for n in rest if n in edges and (n not in index or n in on_path)), None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = path.index(node)
                    ring = sorted(path[cut:])
                    on_path.difference_update(ring)
                    del path[cut:]
                    if len(ring) > 1 or node in edges[node]:
                        found.append(ring)
            elif step in index:
                low[node] = min(low[node], index[step])
            else:
                index[step] = low[step] = len(index)
                path.append(step)
                on_path.add(step)
                work.append((step, iter(sorted(edges[step]))))
    return sorted(found)
