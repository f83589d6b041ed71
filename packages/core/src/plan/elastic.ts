// The mesh of a run that has fewer ranks than its script says, or more: the axis that divides the batch shrinks or grows, and all
// others stay. So stages, shards of layers and samples of a step stay what they were. Pure.
import { axisSize, type Mesh, meshSize } from "../mesh.ts";
import { type JobOptions, showMesh } from "./options.ts";
import { rolesOf } from "./roles.ts";

/**
 * Makes the mesh one of `ranks`: the outermost axis that divides the batch, and whose members do not train apart, gets the size
 * that fits. Throws, with the arithmetic, where none does.
 */
export function fitMesh(mesh: Mesh, batchAxes: readonly string[], ranks: number): Mesh {
  const size = meshSize(mesh);
  if (size === ranks) return mesh;
  const around = (axis: string): number => size / axisSize(mesh, axis);
  const axis = batchAxes.find((name) => ranks % around(name) === 0);
  if (axis !== undefined) return { ...mesh, [axis]: ranks / around(axis) };
  const tried = batchAxes.map((name) => `${ranks} / ${around(name)} members of ${name}`);
  throw new Error(
    `the mesh { ${showMesh(mesh)} } has no form of ${ranks} ranks: only an axis that divides the batch may shrink or grow, ` +
      `${tried.length ? `and ${tried.join(", ")} are not whole` : "and it has none"}; give machines that make up whole members of it`,
  );
}

/** The options of a job for `ranks` ranks; as they are where nobody says how many. */
export function fitOptions<O extends JobOptions>(options: O, ranks: number | undefined): O {
  const { mesh = {}, strategies = [] } = options;
  if (ranks === undefined) return options;
  const { batch, independent } = rolesOf(strategies, mesh);
  return {
    ...options,
    mesh: fitMesh(
      mesh,
      batch.filter((axis) => !(axis in independent)),
      ranks,
    ),
  };
}
