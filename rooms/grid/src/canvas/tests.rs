use super::*;

const RED: [u8; 3] = [81, 90, 240];
const BLUE: [u8; 3] = [41, 240, 110];

fn shown<'a>(key: u16, picture: Option<(&'a Frame, u64)>) -> Shown<'a> {
    let picture = picture.map(|(frame, number)| (frame.view(), number));
    Shown { key, name: "", speaks: false, picture }
}

fn at(canvas: &Canvas, x: usize, y: usize) -> [u8; 3] {
    let [luma, blue, red] = canvas.view().planes;
    let sample = |(plane, stride): (&[u8], usize), part: usize| plane[y / part * stride + x / part];
    [sample(luma, 1), sample(blue, 2), sample(red, 2)]
}

#[test]
fn each_tile_shows_its_picture_with_its_shape() {
    let mut canvas = Canvas::new((640, 360));
    let (red, blue) = (Frame::new((320, 240), RED), Frame::new((90, 160), BLUE));
    let tiles = [shown(1, Some((&red, 1))), shown(2, Some((&blue, 1))), shown(3, None)];
    assert!(canvas.draw(tiles.into_iter()));
    assert_eq!(at(&canvas, 160, 90), RED);
    assert_eq!(at(&canvas, 480, 90), BLUE);
    assert_eq!(at(&canvas, 320, 270), GROUND, "it has none yet");
    // 4:3 stands between bars, portrait between wider ones; around all is the ground.
    assert_eq!((at(&canvas, 20, 90), at(&canvas, 300, 90)), (BLACK, BLACK));
    assert_eq!((at(&canvas, 400, 90), at(&canvas, 560, 90)), (BLACK, BLACK));
    assert_eq!((at(&canvas, 0, 0), at(&canvas, 2, 300)), (GROUND, GROUND));
}

#[test]
fn what_is_the_same_is_not_drawn_again() {
    let mut canvas = Canvas::new((320, 180));
    let (red, blue) = (Frame::new((16, 16), RED), Frame::new((16, 16), BLUE));
    let draw = |canvas: &mut Canvas, tiles: &[Shown<'_>]| canvas.draw(tiles.iter().copied());
    assert!(draw(&mut canvas, &[shown(1, Some((&red, 1))), shown(2, None)]));
    assert!(!draw(&mut canvas, &[shown(1, Some((&red, 1))), shown(2, None)]));
    // The number says whether it is another one.
    assert!(!draw(&mut canvas, &[shown(1, Some((&blue, 1))), shown(2, None)]));
    assert!(draw(&mut canvas, &[shown(1, Some((&blue, 2))), shown(2, None)]));
    assert_eq!(at(&canvas, 80, 90), BLUE);
    let speaks = Shown { speaks: true, ..shown(1, Some((&blue, 2))) };
    assert!(draw(&mut canvas, &[speaks, shown(2, None)]));
    assert_eq!(at(&canvas, 0, 46), SPEAKS);
    assert_eq!(at(&canvas, 80, 90), BLUE);
    // The picture is taken away, then the tile.
    assert!(draw(&mut canvas, &[shown(1, None), shown(2, None)]));
    assert_eq!((at(&canvas, 0, 46), at(&canvas, 80, 90)), (GROUND, GROUND));
    assert!(draw(&mut canvas, &[shown(2, Some((&red, 3)))]));
    assert_eq!(at(&canvas, 160, 90), RED);
    assert!(draw(&mut canvas, &[]));
    assert_eq!(at(&canvas, 160, 90), GROUND);
}

#[test]
fn one_alone_fills_the_picture_without_an_edge() {
    let mut canvas = Canvas::new((640, 360));
    let red = Frame::new((1_280, 720), RED);
    canvas.draw([Shown { speaks: true, ..shown(1, Some((&red, 1))) }].into_iter());
    for (x, y) in [(0, 0), (639, 0), (0, 359), (639, 359), (320, 180)] {
        assert_eq!(at(&canvas, x, y), RED, "{x} {y}");
    }
}

#[test]
fn another_size_of_a_source_leaves_nothing_of_the_one_before() {
    let mut canvas = Canvas::new((640, 360));
    let (wide, high) = (Frame::new((640, 360), RED), Frame::new((90, 160), BLUE));
    canvas.draw([shown(1, Some((&wide, 1)))].into_iter());
    canvas.draw([shown(1, Some((&high, 2)))].into_iter());
    assert_eq!((at(&canvas, 320, 180), at(&canvas, 20, 180)), (BLUE, BLACK));
    // One sample is a picture too.
    let one = Frame::new((1, 1), RED);
    canvas.draw([shown(1, Some((&one, 3)))].into_iter());
    assert_eq!((at(&canvas, 320, 180), at(&canvas, 100, 180)), (RED, BLACK));
}

#[test]
fn names_stand_in_the_corner_and_change() {
    let mut canvas = Canvas::new((640, 360));
    let grey = Frame::new((640, 360), [128, 90, 200]);
    let named = |name| Shown { name, ..shown(1, Some((&grey, 1))) };
    let bright = |canvas: &Canvas| {
        let corner = (300..360).flat_map(|y| (0..200).map(move |x| (x, y)));
        corner.filter(|(x, y)| at(canvas, *x, *y)[0] > 180).count()
    };
    canvas.draw([named("")].into_iter());
    assert_eq!(bright(&canvas), 0);
    assert!(canvas.draw([named("Ada Lovelace")].into_iter()));
    let long = bright(&canvas);
    assert!(long > 300, "{long}");
    assert!(!canvas.draw([named("Ada Lovelace")].into_iter()));
    assert!(canvas.draw([named("Ada")].into_iter()));
    let short = bright(&canvas);
    assert!(short > 60 && short < long / 2, "{short} of {long}");
    // The next picture has it too, no darker than before.
    let before = canvas.view().planes[0].0.to_vec();
    let next = Shown { picture: Some((grey.view(), 2)), ..named("Ada") };
    assert!(canvas.draw([next].into_iter()));
    assert!(canvas.view().planes[0].0 == before);
    // A name that is wider than its tile is cut at it.
    let tiles =
        (0..16).map(|key| Shown { key, name: "A name that has no room there", ..named("") });
    canvas.draw(tiles);
    assert_eq!(at(&canvas, 159, 80), GROUND);
}
