//! What the simulated shop sells: the table behind the catalog.
//!
//! One product a line: number, name, brand, price in cents, tags, and the
//! numbers of products that go with it (`-` when none). A line without bars
//! opens a category. Brands and names are invented; within a category the most
//! popular product stands first.

/// The table; read by [`super::catalog::Catalog::new`].
pub(super) const PRODUCTS: &str = "
Electronics
1001|Lumen 6 Smartphone 128 GB|Northwind|54900|smartphone,5g|1002,1003,1004
1002|Lumen 6 Silicone Case|Northwind|2490|case,accessory|1001
1003|65 W USB-C Charger|Voltaic|3990|charger,usb-c|1001,1006
1004|Halo Wireless Earbuds|Auralis|12900|audio,bluetooth|1001
1005|Quiet One Noise-Cancelling Headphones|Auralis|24900|audio,bluetooth,travel|1011
1006|Folio 14 Laptop 16 GB|Northwind|119900|laptop,work|1003,1007,1008
1007|Glide Wireless Mouse|Kestrel|3490|mouse,work|1006,1008
1008|Tenkey Mechanical Keyboard|Kestrel|8990|keyboard,work|1006,1007
1009|Vista 27 Inch 4K Monitor|Northwind|32900|monitor,work|1010
1010|HDMI 2.1 Cable 2 m|Voltaic|1490|cable,accessory|1009
1011|Headphone Travel Case|Auralis|1990|case,travel|1005
1012|Pulse Fitness Watch|Kestrel|17900|wearable,sport|1301
1013|Bookleaf E-Reader|Northwind|13900|reader|1014
1014|Bookleaf Sleep Cover|Northwind|2990|case,accessory|1013
1015|20,000 mAh Power Bank|Voltaic|4490|charger,travel|1001
Kitchen
1101|Crema Duo Espresso Machine|Ferrum|38900|coffee,machine|1102,1103,1104
1102|Conical Burr Coffee Grinder|Ferrum|12900|coffee,grinder|1101,1103
1103|House Blend Espresso Beans 1 kg|Alta Roasters|2190|coffee,beans|1101,1102
1104|Milk Frothing Jug 600 ml|Ferrum|1990|coffee,accessory|1101
1105|Pour-Over Dripper Set|Alta Roasters|3490|coffee,filter|1106,1107
1106|Paper Filters, 100 Pieces|Alta Roasters|590|coffee,filter|1105
1107|Ethiopia Guji Filter Beans 500 g|Alta Roasters|1450|coffee,beans|1105
1108|Gooseneck Kettle 0.9 l|Ferrum|7990|kettle,coffee,tea|1105
1109|Cast Iron Casserole 5 l|Oakhearth|15900|cookware|1110
1110|Beech Cooking Spoon Set|Oakhearth|1690|cookware,wood|1109
1111|Chef's Knife 20 cm|Tanaka & Sons|8990|knife|1112,1113
1112|Two-Sided Whetstone|Tanaka & Sons|3990|knife,care|1111
1113|End-Grain Chopping Board|Oakhearth|5990|wood|1111
1114|Stand Mixer 4.6 l|Ferrum|29900|baking,machine|1115
1115|Silicone Baking Mat, Set of 2|Oakhearth|1590|baking|1114
Home
1201|Linen Duvet Cover 200 x 200|Nordhus|9990|bedroom,linen|1202,1203
1202|Linen Pillowcase 80 x 80|Nordhus|2990|bedroom,linen|1201
1203|Down Pillow 80 x 80|Nordhus|5990|bedroom|1202
1204|Arc Floor Lamp|Lumera|14900|light|1205
1205|Warm LED Bulb E27, Pack of 4|Lumera|1690|light|1204,1206
1206|Folded Paper Table Lamp|Lumera|5490|light|1205
1207|Stoneware Dinner Set, 12 Pieces|Clay & Co|11900|table|1208
1208|Wine Glasses, Set of 6|Clay & Co|3990|table|1207
1209|Wool Throw 130 x 180|Nordhus|7990|living,wool|1210
1210|Velvet Cushion 45 x 45|Nordhus|2490|living|1209
1211|Oak Wall Shelf 80 cm|Oakhearth|6490|furniture,wood|-
1212|Robot Vacuum S2|Northwind|34900|cleaning,machine|1213
1213|Robot Vacuum Filter Set|Northwind|1990|cleaning,accessory|1212
1214|Cedar and Fig Scented Candle|Lumera|2290|living|-
1215|Indoor Plant Pot with Saucer|Clay & Co|1890|plants|-
Outdoor
1301|Trail Running Shoes|Ridgeway|12900|running,shoes|1302,1303
1302|Merino Running Socks, 2 Pairs|Ridgeway|2490|running,socks|1301
1303|Running Belt with Flask|Ridgeway|3490|running,accessory|1301
1304|Two-Person Trekking Tent|Basecamp|24900|camping|1305,1306
1305|Down Sleeping Bag 0 C|Basecamp|18900|camping|1304,1306
1306|Inflatable Sleeping Mat|Basecamp|8990|camping|1304,1305
1307|Ultralight Gas Stove|Basecamp|4990|camping,cooking|1308
1308|Titanium Cook Pot 900 ml|Basecamp|5490|camping,cooking|1307
1309|Hiking Backpack 38 l|Ridgeway|13900|hiking|1310
1310|Backpack Rain Cover|Ridgeway|1990|hiking,rain|1309
1311|Folding Trekking Poles|Ridgeway|6990|hiking|1309
1312|Yoga Mat 5 mm|Stillpoint|5990|yoga|1313
1313|Cork Yoga Block, Pair|Stillpoint|2490|yoga|1312
1314|Insulated Bottle 750 ml|Basecamp|2990|hiking,bottle|-
1315|Rechargeable Head Torch|Basecamp|4490|camping,light|1304
Fashion
1401|Organic Cotton T-Shirt|Marlow|2490|shirt,basics|1402
1402|Straight-Leg Jeans|Marlow|7990|jeans|1401,1403
1403|Full-Grain Leather Belt|Marlow|4490|belt,leather|1402
1404|Waxed Rain Jacket|Marlow|16900|jacket,rain|1405
1405|Lambswool Scarf|Fennick|5490|scarf,wool|1404,1406
1406|Rib-Knit Beanie|Fennick|2490|hat,wool|1405
1407|Merino Crew Neck|Fennick|8990|sweater,wool|1408
1408|Cashmere Comb and Wool Wash|Fennick|2190|care,wool|1407
1409|White Leather Trainers|Stride|9990|shoes|1410
1410|Trainer Cleaning Kit|Stride|1790|shoes,care|1409
1411|Linen Summer Dress|Marlow|8490|dress,linen|1412
1412|Straw Sun Hat|Marlow|3490|hat,summer|1411
1413|Canvas Weekender Bag|Stride|10900|bag,travel|-
1414|No-Show Socks, 5 Pairs|Stride|1690|socks,basics|1409
1415|Silk Tie|Fennick|4990|tie|-
Beauty
1501|Vitamin C Day Serum 30 ml|Halden|2990|face,serum|1502
1502|Light Moisturiser SPF 30|Halden|2490|face,sun|1501,1503
1503|Gentle Cleansing Gel 200 ml|Halden|1490|face|1502
1504|Retinal Night Cream 50 ml|Halden|3990|face,night|1503
1505|Sonic Toothbrush|Kestrel|7990|teeth,machine|1506
1506|Toothbrush Heads, Pack of 4|Kestrel|2190|teeth,accessory|1505
1507|Safety Razor, Chrome|Barber's Row|3990|shaving|1508,1509
1508|Razor Blades, 100 Pieces|Barber's Row|1490|shaving|1507
1509|Sandalwood Shaving Soap|Barber's Row|1690|shaving|1507
1510|Repair Shampoo 300 ml|Verbena|1590|hair|1511
1511|Repair Conditioner 300 ml|Verbena|1690|hair|1510
1512|Ionic Hair Dryer|Kestrel|8990|hair,machine|1510
1513|Citrus Eau de Toilette 50 ml|Verbena|5490|fragrance|-
1514|Hand Cream Trio|Verbena|1890|hands,gift|-
1515|Mineral Sunscreen SPF 50|Halden|1990|sun|1502
Books
1601|The Salt Road: A Novel|Lantern Press|1690|novel|1602
1602|The Salt Road II: Low Tide|Lantern Press|1790|novel|1601
1603|Bread by Hand|Table & Page|2990|cooking,baking|1114
1604|A Year of Soups|Table & Page|2490|cooking|1109
1605|Coffee: A Field Guide|Table & Page|2290|coffee,cooking|1101
1606|Learning to See: Photography|Lantern Press|3490|photography|-
1607|Statistics Without Fear|Meridian|3990|science|1608
1608|Statistics Workbook|Meridian|1990|science|1607
1609|The Long Alpine Walk|Meridian|2190|travel,hiking|1309
1610|Berlin in Forty Walks|Meridian|1690|travel|-
1611|Paper Notebook A5, Dotted|Lantern Press|1290|stationery|1612
1612|Brass Ballpoint Pen|Lantern Press|3290|stationery|1611
1613|Night Ferry: A Thriller|Lantern Press|1390|novel,thriller|-
1614|The Small Garden|Table & Page|2590|garden|1215
1615|Bedtime Moon, Picture Book|Lantern Press|1490|children|1701
Toys
1701|Wooden Train Starter Set|Pinewhistle|4990|train,wood|1702,1703
1702|Wooden Rail Extension Pack|Pinewhistle|2490|train,wood|1701
1703|Battery Shunting Engine|Pinewhistle|2990|train|1701
1704|Building Blocks, 500 Pieces|Klikko|3990|blocks|1705
1705|Building Base Plates, Set of 3|Klikko|1490|blocks|1704
1706|Harbour Masters Board Game|Foxglove Games|3690|boardgame,family|1707
1707|Harbour Masters: Storms Expansion|Foxglove Games|2190|boardgame|1706
1708|1,000-Piece Jigsaw: Old Harbour|Foxglove Games|1590|puzzle|1709
1709|Jigsaw Roll-Up Mat|Foxglove Games|1990|puzzle,accessory|1708
1710|Remote-Control Rally Car|Klikko|5990|car,remote|1711
1711|Rechargeable AA Batteries, Pack of 8|Voltaic|1990|battery|1710,1703
1712|Plush Otter|Pinewhistle|2290|plush|-
1713|Watercolour Paint Set|Pinewhistle|1890|art|1714
1714|Painting Pad A3|Pinewhistle|990|art|1713
1715|Balance Bike 12 Inch|Klikko|8990|outdoor|-
";
